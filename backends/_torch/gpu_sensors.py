"""The sensors and the energy counter of an NVIDIA GPU, by NVML; each reads None where it cannot, with the reason."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from time import perf_counter, sleep
from typing import Any, TypeVar

from oneblock.backends.api.evidence import DeviceState, Energy

T = TypeVar("T")
_SM_CLOCK, _MEMORY_CLOCK, _GPU_SENSOR = 1, 2, 0  # NVML's own numbers
_IDLE_S = 2.0  # many times the period in which the energy counter is updated
# What lowers the clocks of a device at work, by NVML's bits. Left out: idleness, clocks as they were set, a display.
REASONS = {
    0x004: "power cap",
    0x008: "hardware slowdown",
    0x010: "sync boost",
    0x020: "software thermal slowdown",
    0x040: "hardware thermal slowdown",
    0x080: "power brake",
    0x200: "board limit",
    0x400: "reliability",
}


class Nvml:
    """One device's readings. Where NVML is not to be had, `absent` says why and every reading is None."""

    def __init__(self, uuid: str | None) -> None:
        self.absent: str | None = None
        if uuid is None:
            self.absent = "the device has no UUID to find it by in NVML, which is NVIDIA's alone"
            return
        try:
            self.nvml: Any = importlib.import_module("pynvml")
            self.nvml.nvmlInit()
            self.handle = self.nvml.nvmlDeviceGetHandleByUUID(uuid if uuid.startswith("GPU-") else f"GPU-{uuid}")
        except ModuleNotFoundError:
            self.absent = "nvidia-ml-py is not installed: pip install nvidia-ml-py"
        except Exception as error:  # noqa: BLE001  a class of the module's own, of which there may be none
            self.absent = f"NVML does not answer: {error}"

    def state(self) -> DeviceState:
        """What the sensors say now."""
        notes: list[str] = [] if self.absent is None else [self.absent]
        reasons: int | None = self._read("throttle reasons", notes, "nvmlDeviceGetCurrentClocksThrottleReasons")
        power_mw: int | None = self._read("power", notes, "nvmlDeviceGetPowerUsage")
        return DeviceState(
            sm_mhz=self._read("SM clock", notes, "nvmlDeviceGetClockInfo", _SM_CLOCK),
            sm_max_mhz=self._read("highest SM clock", notes, "nvmlDeviceGetMaxClockInfo", _SM_CLOCK),
            memory_mhz=self._read("memory clock", notes, "nvmlDeviceGetClockInfo", _MEMORY_CLOCK),
            temperature_c=self._read("temperature", notes, "nvmlDeviceGetTemperature", _GPU_SENSOR),
            power_w=None if power_mw is None else power_mw * 1e-3,
            throttled_by=None if reasons is None else tuple(name for bit, name in REASONS.items() if reasons & bit),
            notes=tuple(notes),
        )

    def energy(self, work: Callable[[], int], window_s: float, idle_s: float = _IDLE_S) -> Energy:
        """The counter's advance over `work` repeated for a window; `work` waits for its calls and tells how many."""
        notes: list[str] = [] if self.absent is None else [self.absent]
        first = self._counter_mj(notes)
        if first is None:
            return Energy(window_s, None, 0, None, None, "; ".join(notes))
        start, calls = perf_counter(), 0
        while perf_counter() - start < window_s:
            done = work()
            if done < 1:  # it can do no more; what there is may still be too short to count
                break
            calls += done
        last, seconds = self._counter_mj(notes), perf_counter() - start
        return counted(first, last, seconds, window_s, calls, self._idle_w(idle_s), "; ".join(notes) or None)

    def _idle_w(self, idle_s: float) -> float | None:
        """The mean power without work, by the same counter."""
        first, start = self._counter_mj([]), perf_counter()
        sleep(idle_s)
        last, seconds = self._counter_mj([]), perf_counter() - start
        if first is None or last is None or last <= first:
            return None
        return (last - first) * 1e-3 / seconds

    def _counter_mj(self, notes: list[str]) -> int | None:
        found: int | None = self._read("energy counter", notes, "nvmlDeviceGetTotalEnergyConsumption")
        return found

    def _read(self, what: str, notes: list[str], function: str, *arguments: int) -> Any:
        """One reading; None where this device or driver does not have it, with a line in `notes`."""
        if self.absent is not None:
            return None
        try:
            return getattr(self.nvml, function)(self.handle, *arguments)
        except Exception as error:  # noqa: BLE001  as above: "Not Supported" is an answer like any other
            notes.append(f"{what}: {error}")
            return None


def counted(
    first_mj: int,
    last_mj: int | None,
    seconds: float,
    window_s: float,
    calls: int,
    idle_w: float | None,
    note: str | None,
) -> Energy:
    """Two readings of the counter as joules; None, and why, where they are not those of the window asked for."""
    joules: float | None = None
    if last_mj is None:
        pass
    elif seconds < window_s:
        note = f"the work lasted {seconds:.3g} s of the {window_s:g} s asked for, too short for the counter's period"
    elif last_mj <= first_mj:
        note = f"the counter went from {first_mj} to {last_mj} mJ in {seconds:.3g} s: it stood still or was reset"
    else:
        joules = (last_mj - first_mj) * 1e-3
    return Energy(window_s, seconds, calls, joules, idle_w, note)
