"""The hot path: all writes to conversations, gathered into one transaction.

`committer` queues, `transaction` runs and retries, `batch` holds what one transaction has read, `message_rules` are the
rules of single messages, `permissions` decides on rows in memory.
"""
