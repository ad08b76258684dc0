"""The images of a stack: which ones, built where no registry answers, and brought to where they run."""
