"""Real components for tests: databases, servers, clients, a faulty network."""
