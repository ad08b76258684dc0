"""The rehearsal: the real program against a real Kubernetes API, with simulated nodes and a simulated Azure."""
