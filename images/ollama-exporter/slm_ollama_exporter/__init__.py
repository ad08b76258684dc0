"""Prometheus metrics of Ollama servers, asked for at each scrape."""
