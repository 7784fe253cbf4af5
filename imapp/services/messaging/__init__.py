"""Messages and conversations: what members send, read and set for themselves."""
