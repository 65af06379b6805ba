"""A plan carried out: `worker` is the process, `executor` its stages, `lane` one host, `actions` what a step does.

`lease` keeps two runs off one host, `guards` asks hosts what is already so, `journal` is all that a run says.
"""
