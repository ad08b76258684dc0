"""A stack's whole life, played: the unchanged program and stack file under the real Pulumi engine.

`world` is what it is played in, `acts` are what happens, `judging` decides (pure) whether it went well.
"""
