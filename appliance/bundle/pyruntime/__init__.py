"""The Python that travels, so that a machine without one, of any age, can run the installer.

`layout` says what stands where in a runtime and holds the shell that sets one up; `selection` says what goes into
which kind. `lock` pins every package; `debian` and `wheels` resolve and fetch them; `elf` reads and edits programs;
`assemble` makes the tree of other people's code; `runtime.provide` adds ours and hands out the tar.
"""
