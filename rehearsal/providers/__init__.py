"""Stand-ins for Pulumi plugins whose other side is not on this machine."""
