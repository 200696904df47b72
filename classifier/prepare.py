"""The prepare stage: the batch files of OLCF data set 10.13139/OLCF/1510313, reduced, to one stack file.

Killed at any moment, the same command goes on: each batch file becomes one shard, a shard is whole or absent.
"""
