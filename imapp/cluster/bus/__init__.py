"""The bus: events and commands between nodes, and the rooms of this node's connections."""
