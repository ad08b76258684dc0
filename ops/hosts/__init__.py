"""What is checked of a host before anything is deployed to it, this machine or one behind SSH."""
