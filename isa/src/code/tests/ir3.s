; num_ubos:           0
@const(c20.x)	0x4f7ffffe, 0x0000ffff, 0x00000000, 0x00000008
mov.u32u32 r24.y, 0
l572:
(ss)br p0.y, #l1346
isam.v.base0 (u32)(xyzw)r0.x, r4.x
(sy)(rpt1)mad.f32 r1.x, (r)r2.x, r3.x, (r)r1.x
ldl.u32 r8.x, l[r2.x+16], 4
mad.f32 r1.x, r2.x, r3.x, r1.x
(rpt2)nop
(sy)(ss)jump #l572
l1346:
end
