"""How much memory learned rounding of one large layer takes."""
import json
import os
import subprocess

import support
from support import np


class LargeLayer(support.Test):
    side = 4096

    def test_coordinate_needs_at_most_six_times_the_largest_layer(self):
        source, target = self.folder / "large.safetensors", self.folder / "out.safetensors"
        layer = self.side**2 * 4
        header = json.dumps({"blocks.0.proj.weight": {"dtype": "F32", "shape": [self.side] * 2, "data_offsets": [0, layer]}})
        random = np.random.default_rng(2)
        with open(source, "wb") as file:
            file.write(len(header).to_bytes(8, "little") + header.encode())
            for _ in range(16):
                file.write(random.standard_normal(self.side**2 // 16, np.float32).tobytes())
        process = subprocess.Popen([support.CONVERTER, "--progress", "none", "--quiet", "-i", source, "-o", target, "--preset", "none",
                                    "--comfy_quant", "--scaling_mode", "axis", "--optimizer", "coordinate"])
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0)
        peak = usage.ru_maxrss * 1024
        print(f"{self.side} x {self.side}: {peak / 2**20:.0f} MiB, {(peak - 2**26) / layer:.2f} layers beyond 64 MiB, "
              f"{usage.ru_utime:.1f} s of processor time")
        self.assertGreater(peak, 2 * layer)  # the weight and what the solver keeps: else this measures something else
        self.assertLessEqual(peak, 6 * layer + 2**26)


if __name__ == "__main__":
    support.main()
