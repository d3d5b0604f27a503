"""Shell text, read without being run: which commands it would run, and what those delete. No I/O.

`words` splits a text as a shell does, `text` finds the statements in it, `runs` follows these with what `expansion`,
`values`, `state` and `commands` know of words, variables, folders and names; `finds`, `deletions` and `indices` tell
what is deleted.

Read are the grammar of sh and bash, quotes, here-documents, functions, aliases, ``sh -c``, ``eval``, ``trap``,
inclusions and scripts that run scripts. Every branch counts as run; a variable keeps each value that it may have.

Not read are what a condition decides, the output of programs other than a few (`values.printed`), the values that
come with the environment, and other languages. Such a value is `values.ANY`, and what is done with it gets a doubt.

A doubt becomes an error of the check, never a pass, unless it is surely about something else than what is asked for.
"""
