mov(16)         g13<1>UD        g1<8,8,1>UW                     { align1 1H };

LABEL2:
(+f0.0) break(16) JIP:  LABEL0        UIP:  LABEL0              { align1 1H };
(+f0.0) if(16)  JIP:  LABEL1          UIP:  LABEL1              { align1 1H };
mul(8)          acc0<1>UD       g46<8,8,1>UD    g99<0,1,0>UW    { align1 1Q };
mach(8)         g100<1>UD       g46<1,1,0>UD    g99<0,1,0>UD    { align1 1Q F@6 compacted AccWrEnable };

LABEL1:
endif(16)       JIP:  LABEL0                                    { align1 1H };
shl(16)         g87<1>D         g80<8,8,1>D     0x00000004UD    { align1 1H I@5 };
send(16)        g36UD           g87UD           nullUD          0x64803500                0x00000000
                ugm MsgDesc: ( load, a32, d32, V4, L1STATE_L3MOCS dst_len = 8, src0_len = 2, src1_len = 0 bti )  BTI 0  base_offset 0  { align1 1H $3 };
send(16)        g35UD           g93UD           nullUD          0x64803500                0x00000000
                ugm MsgDesc: ( load, a32, d32, V4, L1STATE_L3MOCS dst_len = 8, src0_len = 2, src1_len = 0 bti )  BTI 0  base_offset 0  { align1 1H $5 };
sync nop(1)                     null<0,1,0>UB                   { align1 WE_all 1N $3.dst };
send(16)        nullUD          g86UD           g36UD           0x04003504                0x00000200
                slm MsgDesc: ( store, a32, d32, V4, L1STATE_L3MOCS dst_len = 0, src0_len = 2, src1_len = 8 flat )  base_offset 0  { align1 1H $4 };
send(16)        g43UD           g8UD            nullUD          0x04803500                0x00000000
                slm MsgDesc: ( load, a32, d32, V4, L1STATE_L3MOCS dst_len = 8, src0_len = 2, src1_len = 0 flat )  base_offset 0  { align1 1H $11 };
mad(16)         g80<1>F         g51<8,8,1>F     g43<8,8,1>F     g35<1,1,1>F { align1 1H @7 $11.dst };
mad(16)         g82<1>F         g53<8,8,1>F     g43<8,8,1>F     g37<1,1,1>F { align1 1H F@2 };
mov(8)          g3<1>UD         0x00000000UD                    { align1 WE_all 1Q };
mov(8)          g85<1>UD        0x00000000UD                    { align1 WE_all 1Q F@7 };
mov(1)          f0<1>UD         mask0<0,1,0>UD                  { align1 WE_all 1N A@1 };
mov(1)          f0<1>UD         g1<0,1,0>UD                     { align1 WE_all 1N I@2 };
add(16)         g11<1>F         g9<1,1,0>F      0x3f800000F  /* 1F */ { align1 1H compacted };
sync allwr(1)                   null<0,1,0>UB                   { align1 WE_all 1N };

LABEL0:
while(16)       JIP:  LABEL2                                    { align1 1H };
