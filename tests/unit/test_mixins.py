"""Plain classes beside RPCKitten, in any order."""

from __future__ import annotations

import pytest

from kettlingar import RPCKitten


class Mix:
    class Configuration:
        MIX_SIZE = 3

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.mixed = True

    async def api_mixed(self, request_info):
        return self.config.mix_size


class Before(Mix, RPCKitten):
    class Configuration(RPCKitten.Configuration):
        APP_NAME = "before"


class After(RPCKitten, Mix):
    class Configuration(RPCKitten.Configuration):
        APP_NAME = "after"


@pytest.mark.parametrize("kitten_class", [Before, After])
def test_a_mixin_is_initialised_and_its_settings_and_methods_are_there(kitten_class):
    kitten = kitten_class(args=["--mix-size=5"])
    assert kitten.mixed
    assert kitten.config.mix_size == 5
    assert kitten.config.app_name == kitten_class.__name__.lower()
    assert kitten.methods.find("mixed", private=True) is not None
