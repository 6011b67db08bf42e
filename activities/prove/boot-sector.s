# Boot sector of the tiny VM that `rundirect prove` runs. It needs nothing but a BIOS.
#
# It greets on the screen, counts its boot in the disk's second sector, and from then on counts there once a second,
# so that whoever reads the disk later knows how often it was booted, and that it went on writing.
#
# Second sector: "RDPROVE1", boots (32 bit, little endian), seconds (32 bit, little endian), nothing else.
#
# Assemble: as --32 boot-sector.s -o boot.o && objcopy -O binary -j .text boot.o boot.bin    (510 bytes and 55 AA)
        .code16
        .text
        .globl  _start
        .set    COUNTERS, 0x8000        # where the second sector is kept in memory
        .set    BOOTS, COUNTERS + 8
        .set    SECONDS, COUNTERS + 12
        .set    CLOCK, 0x046c           # of the BIOS: 18.2 ticks a second
_start:
        cli
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $0x7c00, %sp
        ljmp    $0, $0x7c00 + (main - _start)
main:
        sti
        cld
        movb    %dl, 0x7c00 + (drive - _start)
        movw    $0x7c00 + (greeting - _start), %si
print:
        lodsb
        testb   %al, %al
        jz      counters
        movb    $0x0e, %ah
        movw    $0x0007, %bx
        int     $0x10
        jmp     print
counters:
        movb    $0x02, %ah              # read
        call    sector
        incl    BOOTS
        movb    $0x03, %ah              # write
        call    sector
second:
        movl    CLOCK, %ebx
wait:
        hlt
        movl    CLOCK, %eax
        subl    %ebx, %eax
        cmpl    $18, %eax
        jb      wait
        incl    SECONDS
        movb    $0x03, %ah
        call    sector
        jmp     second
# Transfers the second sector as AH says; what fails is tried again with the next second.
sector:
        movb    $1, %al
        movw    $COUNTERS, %bx
        movw    $0x0002, %cx            # cylinder 0, sector 2
        movb    $0, %dh
        movb    0x7c00 + (drive - _start), %dl
        int     $0x13
        ret
drive:
        .byte   0
greeting:
        .asciz  "Run Direct prove: a VM of its own, which removes itself.\r\n"
        .org    510
        .byte   0x55, 0xaa
