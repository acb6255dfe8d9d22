"""`qa-trainer`, with accelerate's FSDP on CPU processes too, where it leaves it out; gloo does what FSDP2 needs."""

from accelerate.state import AcceleratorState, DistributedType

_plain = AcceleratorState.__init__


def _sharding(self, *arguments, fsdp_plugin=None, **options):
    _plain(self, *arguments, fsdp_plugin=fsdp_plugin, **options)
    if fsdp_plugin is not None:
        self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, fsdp_plugin


if __name__ == "__main__":
    AcceleratorState.__init__ = _sharding
    from qa_trainer.cli import main

    main()
