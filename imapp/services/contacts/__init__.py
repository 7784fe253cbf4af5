"""Contacts, requests for contact, blocks and presence: which users may reach and watch each other."""
