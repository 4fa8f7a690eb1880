"""How often an engine errs, measured on a folder of people; without Django, without a database.

`faces` reads and describes the photos, `verification` asks of pairs whether they are one person, `identification`
whether strangers and known people are told apart by a watch-list, `plots` draws both. Terms are those of ISO/IEC
19795-1: a mated search is one for somebody who is enrolled; FPIR is the share of non-mated searches that find anybody,
FNIR the share of mated searches that do not find the right person first.
"""
