"""The loss of each photo alone: in batches as one by one."""

import numpy as np
import pytest

from grasp_psonet.training.predict import bags_of_photos, photo_losses, predict_bags
from tests.tiny_study import tiny_bags, tiny_network


@pytest.mark.parametrize("num_together", [1, 3, 100])
def test_losses_of_photos_are_those_of_bags_of_one(num_together: int) -> None:
    bags, pixels = tiny_bags(5)
    network = tiny_network().float()
    together = photo_losses(network, bags.values(), pixels, num_together)
    alone = list(bags_of_photos(bags.values()))
    assert together["photo_id"].tolist() == [bag.photo_ids[0] for bag in alone]
    one_by_one = predict_bags(network, alone, pixels)[0]["loss"].to_numpy()
    np.testing.assert_allclose(together["loss"], one_by_one, rtol=1e-5)
    assert np.ptp(one_by_one) > 1e-3
