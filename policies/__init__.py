"""The security controls that can be seen on resources, as pure functions, and a policy pack of Pulumi's made of them.

The same functions judge what `pulumi preview` and `up` would make, what really runs (ops/verify.py) and what tests
render and break (tests/kubernetes, tests/policies).
"""
