BB0:
	v_mul_lo_u32 v20, v20, s35                                  ; d7690014 00004714
BB2:
	s_cmp_lt_u32 s55, s13                                       ; bf0a0d37
	s_cbranch_scc1 BB14                                         ; bf8503d6
BB5:
	s_clause 0x1                                                ; bfa10001
	v_mul_lo_u32 v2, v9, s54                                    ; d5690002 00006d09
	v_add_lshl_u32 v2, s17, v2, 2                               ; d7470002 020a0411
	buffer_load_dword v2, v2, s[32:35], 0 offen                 ; e0301000 80080202
	buffer_load_dword v3, v3, s[32:35], 0 offen                 ; e0301000 80080303
	buffer_load_dwordx4 v[96:99], v4, s[36:39], 0 offen         ; e0381000 80096004
	s_waitcnt lgkmcnt(0)                                        ; bf8cc07f
	s_waitcnt vmcnt(1)                                          ; bf8c3f71
	v_cndmask_b32_e64 v17, 0, v2, s[32:33]                      ; d5010011 00820480
	ds_read_b64 v[128:129], v95 offset:768                      ; d9d80300 8000005f
	ds_read2_b32 v[130:131], v95 offset1:1                      ; d8dc0100 8200005f
	s_waitcnt lgkmcnt(2)                                        ; bf8cc27f
	v_fmac_f32_e32 v63, v105, v129                              ; 567f0369
	v_fmac_f32_e32 v62, v109, v129                              ; 567d036d
	v_fma_f32 v64, v110, v129, v64                              ; d54b0040 0503036e
	v_dual_fmac_f32 v65, v98, v134 :: v_dual_fmac_f32 v66, v99, v135 ; c8010d62 40420d63
	v_dual_fmac_f32 v67, v98, v134 :: v_dual_mov_b32 v68, v99   ; c8110d62 42440163
	v_add_f32_e32 v1, v2, v3                                    ; 06020702
	s_waitcnt vmcnt(0)                                          ; bf8c3f70
	ds_write_b128 v94, v[96:99]                                 ; db7c0000 0000605e
BB13:
	s_add_u32 s13, s13, 1                                       ; 800d810d
	s_barrier                                                   ; bf8a0000
	s_branch BB2                                                ; bf82fc28
BB14:
	buffer_store_dword v63, v1, s[0:3], 0 offen                 ; e0701000 80003f01
	s_endpgm                                                    ; bf810000
