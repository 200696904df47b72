"""How good generated stacks are: each figure beside the same figure for real stacks in their place."""
