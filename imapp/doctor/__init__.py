"""`flask im doctor`: checks of everything between a client's request and the database, with advice for each problem.

Law of the folder: a check is a function that takes the context (context.py) and returns one finding (finding.py). It
may raise any exception, and does not depend on other checks. Data that several checks need is read once
(`Context.once`). A file holds the checks of one topic in a table `CHECKS`. catalogue.py lists the tables, and runner.py
runs the checks, each with a time limit.
"""
