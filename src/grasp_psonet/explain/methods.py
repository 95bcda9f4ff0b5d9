"""The ways to make a map of a photo, by name: the one table that tells them apart."""

from collections.abc import Callable

from grasp_psonet.explain.attributions import integrated_gradients, occlusion
from grasp_psonet.explain.gradcam import grad_cam, target_layer
from grasp_psonet.explain.heat import PhotoMap, map_of_attributions, summed_in_cells
from grasp_psonet.explain.in_bag import PhotoInBag
from grasp_psonet.explain.settings import Method


def map_of(photo: PhotoInBag, method: Method) -> PhotoMap:
    """Where the photo speaks for the label of its visit, by this method.

    Raises NetworkError where the encoder gives no map for Grad-CAM, SettingsError where captum is needed and missing.
    """
    return METHODS[method](photo)


def _gradcam(photo: PhotoInBag) -> PhotoMap:
    network, batch = photo.network, photo.batch
    assert network.encoder is not None, "maps of a network that reads no photos"
    layer = target_layer(network.encoder, photo.pixels)
    maps = grad_cam(network, batch.photos_BNCHW, batch.is_photo_BN, photo.target_1, layer, batch.region_BN, photo.sign)
    heat_hw = maps.cam_BNhw[0, photo.place].double().cpu().numpy()
    return PhotoMap(heat_hw, float(maps.largest_BN[0, photo.place]))


METHODS: dict[Method, Callable[[PhotoInBag], PhotoMap]] = {
    "gradcam": _gradcam,
    "integrated_gradients": lambda photo: map_of_attributions(summed_in_cells(integrated_gradients(photo))),
    "occlusion": lambda photo: map_of_attributions(occlusion(photo)),
}
