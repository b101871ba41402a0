"""The paper's experiments, repeated on this CPU.

M. Dukhan and A. Ablavatski, "The Two-Pass Softmax Algorithm", 2020 (arXiv 2001.04438).

Read in this order; each file is one idea.

experiments  what is raced against what, and on which inputs
accuracy     how far the results are from the exact ones
effect       how large a difference is and how sure, from interleaved rounds
findings     what a run found, and its JSON form
claims       the paper's claims, and the verdict on each
figures      the pictures
page         the report: page.html and page.css, filled in
command      the face of ``twopass paper``
"""
