"""``python3 -m plasm_boot.stage2``: process 1 of stage 2's initramfs."""

from plasm_boot.stage2.init import main

main()
