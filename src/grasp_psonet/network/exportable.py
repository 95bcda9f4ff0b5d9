"""The network as one function of dense tensors, for other programs: padded bags and their mask in, answers out."""

# Axes: B bags (visits), N photos per bag (padded), D feature length, C outputs (of classes: logits).

from torch import Tensor, nn

from grasp_psonet.network.loss import exported_of
from grasp_psonet.network.network import BagNetwork


class ExportableNetwork(nn.Module):
    """A ``BagNetwork`` without removed photos, whose shapes follow from those of its inputs alone.

    It reads padding too and gives it attention 0; no photo's answer depends on what the padding holds, as long as it is
    finite.
    """

    def __init__(self, network: BagNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, photos_BN: Tensor, is_photo_BN: Tensor) -> tuple[Tensor, ...]:
        """Outputs [B, C], attention [B, N], and what the outputs say: probabilities of classes [B, C], or points [B, 1].

        Photos [B, N, 3, H, W] in [0, 1], or encoder features [B, N, F]; is_photo [B, N] bool. No photo: NaN.
        """
        num_bags, num_photos = photos_BN.shape[:2]
        feature_MD = self.network.features(photos_BN.flatten(0, 1))
        logit_BN = self.network.attention(feature_MD).reshape(num_bags, num_photos)
        attention_BN = masked_softmax(logit_BN, is_photo_BN)
        feature_BND = feature_MD.reshape(num_bags, num_photos, feature_MD.shape[-1])
        bag_BD = (attention_BN.unsqueeze(-1) * feature_BND).sum(dim=1)
        outputs_BC: Tensor = self.network.head(bag_BD)
        return outputs_BC, attention_BN, exported_of(self.network).say(self.network.outcome, outputs_BC)


def masked_softmax(logit_BN: Tensor, is_photo_BN: Tensor) -> Tensor:
    """``attend`` without its look at the values, which a recorded graph cannot take: an empty bag gives NaN."""
    return logit_BN.masked_fill(~is_photo_BN, -float("inf")).softmax(dim=1)
