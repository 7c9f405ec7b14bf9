"""The processes that are forked: the command and the keeper, and what they share with this one."""
