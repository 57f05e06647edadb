"""Networks of torchvision, a U-Net and a super-resolution, and their export as ONNX by PyTorch's two exporters.

Weights are random, running statistics of batch norms too: what is compared is arithmetic.
"""

from pathlib import Path

import torch
import torchvision.models as models
from torch import nn

EXPORTERS = ("torchscript", "dynamo")
NOT_EXPORTED = {("convnext_tiny", "dynamo"): "it gathers an as_strided from the values of all images together"}
"""Networks that an exporter turns into what no image has by itself, and why."""
BATCH = 2


class UNet(nn.Module):
    """Two levels, one upsampled by a transposed convolution, one bilinearly."""

    def __init__(self):
        super().__init__()
        block = lambda i, o: nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU())
        self.down1, self.down2, self.middle = block(3, 16), block(16, 32), block(32, 64)
        self.up2, self.merge2 = nn.ConvTranspose2d(64, 32, 2, stride=2), block(64, 32)
        self.up1, self.merge1 = nn.Upsample(scale_factor=2, mode="bilinear"), block(48, 16)
        self.head = nn.Conv2d(16, 2, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(nn.functional.max_pool2d(a, 2))
        c = self.middle(nn.functional.max_pool2d(b, 2))
        b = self.merge2(torch.cat([self.up2(c), b], 1))
        return self.head(self.merge1(torch.cat([self.up1(b), a], 1)))


class SuperResolution(nn.Module):
    """ESPCN by 3: a pixel shuffle at the end."""

    def __init__(self):
        super().__init__()
        convs = [nn.Conv2d(1, 32, 5, padding=2), nn.Tanh(), nn.Conv2d(32, 16, 3, padding=1), nn.GELU()]
        self.body = nn.Sequential(*convs, nn.Conv2d(16, 9, 3, padding=1), nn.PixelShuffle(3))

    def forward(self, x):
        return self.body(x)


class Segmentation(nn.Module):
    """A segmentation of torchvision, both of its outputs: that of the head, and of the auxiliary one."""

    def __init__(self, make):
        super().__init__()
        self.net = make(weights=None, weights_backbone=None, num_classes=5, aux_loss=True)

    def forward(self, x):
        outputs = self.net(x)
        return outputs["out"], outputs["aux"]


def segmentation(name):
    return lambda: Segmentation(getattr(models.segmentation, name))


# Name: what makes it, and an image for it.
NETWORKS = {
    "resnet18": (models.resnet18, (3, 96, 96)),
    "resnet50": (models.resnet50, (3, 64, 64)),
    "mobilenet_v2": (models.mobilenet_v2, (3, 96, 96)),
    "mobilenet_v3_small": (models.mobilenet_v3_small, (3, 96, 96)),
    "mobilenet_v3_large": (models.mobilenet_v3_large, (3, 64, 64)),
    "efficientnet_b0": (models.efficientnet_b0, (3, 64, 64)),
    "squeezenet1_0": (models.squeezenet1_0, (3, 96, 96)),
    "densenet121": (models.densenet121, (3, 64, 64)),
    "regnet_y_400mf": (models.regnet_y_400mf, (3, 64, 64)),
    "regnet_x_400mf": (models.regnet_x_400mf, (3, 64, 64)),
    "convnext_tiny": (models.convnext_tiny, (3, 64, 64)),
    "shufflenet_v2_x1_0": (models.shufflenet_v2_x1_0, (3, 64, 64)),
    "googlenet": (lambda: models.googlenet(aux_logits=False, init_weights=False), (3, 96, 96)),
    "inception_v3": (lambda: models.inception_v3(aux_logits=False, init_weights=False), (3, 128, 128)),
    "mnasnet0_5": (models.mnasnet0_5, (3, 64, 64)),
    # Their adaptive pools end in 7x7 and 6x6, which these sizes give: what is smaller, ONNX has no operator for.
    "alexnet": (models.alexnet, (3, 224, 224)),
    "vgg11": (models.vgg11, (3, 224, 224)),
    "deeplabv3_mobilenet_v3_large": (segmentation("deeplabv3_mobilenet_v3_large"), (3, 64, 64)),
    "lraspp_mobilenet_v3_large": (lambda: LRASPP(), (3, 64, 64)),
    "fcn_resnet50": (segmentation("fcn_resnet50"), (3, 64, 64)),
    "unet": (UNet, (3, 48, 64)),
    "espcn": (SuperResolution, (1, 24, 20)),
}


class LRASPP(nn.Module):
    """The lighter head for segmentation of MobileNetV3's paper."""

    def __init__(self):
        super().__init__()
        self.net = models.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=5)

    def forward(self, x):
        return self.net(x)["out"]


def randomize(model):
    """Gives batch norms statistics and scales as training does."""
    generator = torch.Generator().manual_seed(7)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.running_mean, -0.2, 0.2), (module.running_var, 0.5, 1.5),
                (module.weight.data, 0.7, 1.3), (module.bias.data, -0.2, 0.2),
            ):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)


def export(name: str, path: Path, exporter: str):
    """Writes a network as ONNX, for two images."""
    torch.manual_seed(1)
    make, shape = NETWORKS[name]
    model = make().eval()
    randomize(model)
    images = torch.rand(BATCH, *shape)
    torch.onnx.export(model, (images,), str(path), dynamo=exporter == "dynamo", verbose=False)
