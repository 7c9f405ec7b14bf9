"""The processes that we fork, the command and the keeper, and what they share with this process."""
