"""``python3 -m plasm_boot.stage1``: process 1 of the initramfs."""

from plasm_boot.stage1.init import main

main()
