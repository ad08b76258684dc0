"""A stand-in for Pulumi's azure-native plugin that simulates Azure Resource Manager on this machine.

The real Pulumi engine talks to it by the real provider protocol. README.md says what it checks, what it leaves out and
how faults are put in.
"""
