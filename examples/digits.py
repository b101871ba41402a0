"""Handwritten digits: scikit-learn's probabilities from its raw scores, with twopass.

A logistic regression ends in a softmax over its scores, one row per image. This trains one on
scikit-learn's digits and does that last step itself.

    pip install twopass scikit-learn
    python examples/digits.py
"""

import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import twopass

# scikit-learn rounds each score minus its row's maximum, which costs it some ULP on the smallest
# probabilities. So the difference is counted in units in the last place of 1.
ALLOWED_ULP = 8


def main() -> int:
    images, digits = load_digits(return_X_y=True)
    images /= 16  # pixels are 0 to 16
    model = LogisticRegression(max_iter=500).fit(images, digits)

    scores = model.decision_function(images)
    probabilities = twopass.softmax(scores, axis=1)

    difference = np.abs(probabilities - model.predict_proba(images)).max()
    ulp = difference / np.finfo(scores.dtype).eps
    print(f"{len(images)} images, {model.score(images, digits):.1%} recognised")
    print(f"target: {twopass.active_target().name}")
    print(f"largest difference from predict_proba: {difference:.1e} ({ulp:.1f} ULP of 1)")
    return 0 if ulp <= ALLOWED_ULP else 1


if __name__ == "__main__":
    sys.exit(main())
