"""The paper's experiments, repeated on this CPU.

M. Dukhan and A. Ablavatski, "The Two-Pass Softmax Algorithm", 2020 (arXiv 2001.04438).

Read in this order; each file is one idea.

rows         which rows are in cache and out of cache
race         what a race is: which inputs, and who takes part
accuracy     how far the results are from the exact ones
effect       how large a difference is and how sure, from interleaved rounds
findings     what a run found, and its JSON form
claims       what a claim of the paper is, and the verdict on it
figures      what the pictures have in common
tables       the numbers beside the pictures
experiment   what an experiment is
algorithms   the paper's algorithms, and the quotients of their times
sweep        the race over row lengths, which most experiments look at
passes       the race of single passes, which three experiments look at
experiments  a file each: its claims, its picture, its table, and its race if nobody else's
page         the report: page.html and page.css, filled in
command      the face of ``twopass paper``
"""
