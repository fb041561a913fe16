"""Floor 4: pages, endpoints and the live socket: read, ask a service, answer."""
