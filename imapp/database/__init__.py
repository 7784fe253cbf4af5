"""The database: engines, transactions, column types, work off the event loop.

Two ways to the database, no third: `db.session` reads, `transactions.atomic` writes.
"""
