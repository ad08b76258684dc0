"""`make load`: a bundle verified and put in place, with the standard library and ssh-keygen alone."""
