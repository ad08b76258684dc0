"""Everything this project needs on a machine before it can deploy: found, downloaded, or built from packages."""
