"""What operators see and do: nodes, health, history, message traces, administration of users."""
