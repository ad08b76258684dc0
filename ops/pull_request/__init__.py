"""The pull-request report: what a change of a stack's description means, as one Markdown comment."""
