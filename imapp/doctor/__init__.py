"""`flask im doctor`: goes the real path, from a client's request to the database, and says what is wrong with it.

Law of the folder: a check is a function that takes the case (case.py) and gives one finding (finding.py); it raises
what it likes, and knows of no other check. What several checks look at is looked at once (`Case.once`). A file holds
the checks of one theme in a table `CHECKS`; catalogue.py lists the tables, runner.py runs them, each within its time.
"""
