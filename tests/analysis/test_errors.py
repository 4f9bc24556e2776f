"""Which images are taken for what, by hand."""

import numpy as np

from ffcl_utils.analysis.errors import confusion_matrices, worst_errors

LABELS = np.array([0, 1, 2, 1])
# Predictions 0 (right), 2, 2 (right) and 0, the last error the most confident.
SCORES = np.array([[0.9, 0.1, 0], [0, 0.4, 0.6], [0, 0, 1], [0.8, 0.2, 0]])


def test_confusion_counts_true_rows_and_predicted_columns():
    right = np.eye(3)[LABELS]
    one, other = confusion_matrices(np.stack([SCORES, right]), LABELS)
    assert one.tolist() == [[1, 0, 0], [1, 0, 1], [0, 0, 1]]
    assert other.tolist() == np.diag([1, 2, 1]).tolist()


def test_classes_that_no_image_has_keep_their_place():
    assert confusion_matrices(SCORES[None], np.zeros(4, int)).shape == (1, 3, 3)


def test_the_most_confident_error_comes_first_and_no_right_answer():
    assert worst_errors(SCORES, LABELS, 10).tolist() == [3, 1]
    assert worst_errors(SCORES, LABELS, 1).tolist() == [3]
    assert worst_errors(np.eye(3)[LABELS], LABELS, 10).size == 0
