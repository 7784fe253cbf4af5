"""The rules: who may do what. Services are the only writers and the only publishers.

Law of the folder: a public function is one use case and takes the acting user's id first: check, change, commit,
publish, in that order. No request, no socket, no HTTP here.
"""
