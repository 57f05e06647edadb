block.u 0 L2 [] -> {
      ur0       = s2r sr[0x25]                                        // delay=1 wr:0
} -> [1]
block.u 1 L3 [0, 4] -> {
      up0       = isetp.lt.u32 ur16 ur13                              // delay=9 wt=000001
                  bra !up0 L505                                       // delay=1
} -> [2, 3]
block.u 2 L505 [1] -> {
                  st.global.a64.strong.gpu.b32 [r78..80] r16          // delay=2 rd:0
                  exit                                                // delay=1
} -> []
block 3 L6 [1] -> {
      r14       = imad r42 ur6 rZ                                     // delay=5
      r59       = ld.global.a64.constant.b32 [r60..62], p4            // delay=2 rd:0 wr:1
      r58       = ld.global.a64.constant.b32 [r62..64], p4            // delay=2 rd:0 wr:2
      r57       = sel !p3 rZ r59                                      // delay=1 wt=000010
      r100..104 = ld.shared.strong.cta.b128 [r98.x16+0x800], pT       // delay=1 wr:0
@!p1              bra pT L7                                           // delay=1
} -> [4, 4]
block.u 4 L7 [3] -> {
      r50       = ffma.ftz r50 r59 r100                               // delay=1 wt=000001
      r51       = ffma.ftz r51 r59 r101                               // delay=1
      r11       = fadd.ftz r11 r58                                    // delay=1 wt=000100
                  st.shared.strong.cta.b64 [r98.x16] r50..52          // delay=2 rd:0
                  bar.sync                                            // delay=1
                  nop L7                                              // delay=1
                  bra pT L3                                           // delay=1
} -> [1]
