"""The sweeper: review stacks whose pull request is closed or whose time is over are removed."""
