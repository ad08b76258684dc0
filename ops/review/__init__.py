"""Review stacks: one for each pull request that asks, made by the same way as any other, and removed by themselves."""
