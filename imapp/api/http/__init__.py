"""How a REST view becomes HTTP: declaration, input, output, errors, headers, documents.

Law of the folder: no nouns of the product; those have a file each in imapp/api.
"""
