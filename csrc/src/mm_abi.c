/* Where every field of the public structures stands, on 64-bit machines. Log files, programs that embed the library
 * and the Python side read these bytes: whoever changes a number here changes MM_ABI as well. tests/core/test_abi.py
 * holds the extension to the same list, and the list to the header. */
#include "mm_internal.h"

#if UINTPTR_MAX == UINT64_MAX

#define SIZE(type, bytes) MM_STATIC_ASSERT(sizeof(type) == (bytes), size_of_##type)
#define FIELD(type, field, at) MM_STATIC_ASSERT(offsetof(type, field) == (at), type##_##field)

SIZE(mm_grid, 40);
FIELD(mm_grid, step_e8, 0);
FIELD(mm_grid, multiplier, 8);
FIELD(mm_grid, step, 16);
FIELD(mm_grid, inverse, 24);
FIELD(mm_grid, shift, 32);
FIELD(mm_grid, pad, 36);

/* A pool's parts are private, but compiled into whoever takes and gives without a call. */
SIZE(mm_pool_slot, 8);
FIELD(mm_pool_slot, handle, 0);

SIZE(mm_pool, 56);
FIELD(mm_pool, free_top, 0);
FIELD(mm_pool, free_bottom, 8);
FIELD(mm_pool, free_end, 16);
FIELD(mm_pool, slots, 24);
FIELD(mm_pool, objects, 32);
FIELD(mm_pool, stride, 40);
FIELD(mm_pool, capacity, 48);
FIELD(mm_pool, serial, 52);

SIZE(mm_level, 16);
FIELD(mm_level, price_e8, 0);
FIELD(mm_level, qty_e8, 8);

SIZE(mm_depth_body, 48);
FIELD(mm_depth_body, first_id, 0);
FIELD(mm_depth_body, last_id, 8);
FIELD(mm_depth_body, prev_id, 16);
FIELD(mm_depth_body, event_time_us, 24);
FIELD(mm_depth_body, recv_ns, 32);
FIELD(mm_depth_body, bid_count, 40);
FIELD(mm_depth_body, ask_count, 44);

SIZE(mm_ticker_body, 48);
FIELD(mm_ticker_body, update_id, 0);
FIELD(mm_ticker_body, bid_price_e8, 8);
FIELD(mm_ticker_body, bid_qty_e8, 16);
FIELD(mm_ticker_body, ask_price_e8, 24);
FIELD(mm_ticker_body, ask_qty_e8, 32);
FIELD(mm_ticker_body, recv_ns, 40);

SIZE(mm_trade_body, 48);
FIELD(mm_trade_body, trade_id, 0);
FIELD(mm_trade_body, price_e8, 8);
FIELD(mm_trade_body, qty_e8, 16);
FIELD(mm_trade_body, trade_time_us, 24);
FIELD(mm_trade_body, recv_ns, 32);
FIELD(mm_trade_body, first_trade_id, 40);

SIZE(mm_link_body, 32);
FIELD(mm_link_body, state, 0);
FIELD(mm_link_body, recv_ns, 8);
FIELD(mm_link_body, detail, 16);
FIELD(mm_link_body, channel, 24);

SIZE(mm_report_body, 48);
FIELD(mm_report_body, order_seq, 0);
FIELD(mm_report_body, exchange_id, 8);
FIELD(mm_report_body, price_e8, 16);
FIELD(mm_report_body, qty_e8, 24);
FIELD(mm_report_body, executed_e8, 32);
FIELD(mm_report_body, status, 40);
FIELD(mm_report_body, side, 42);
FIELD(mm_report_body, code, 44);

SIZE(mm_fill_body, 48);
FIELD(mm_fill_body, trade_id, 0);
FIELD(mm_fill_body, quote_e8, 8);
FIELD(mm_fill_body, fee_e8, 16);
FIELD(mm_fill_body, fee_asset, 24);
FIELD(mm_fill_body, time_us, 40);

SIZE(mm_outcome_body, 48);
FIELD(mm_outcome_body, order_seq, 0);
FIELD(mm_outcome_body, recv_ns, 8);
FIELD(mm_outcome_body, until_ns, 16);
FIELD(mm_outcome_body, verdict, 24);
FIELD(mm_outcome_body, code, 32);
FIELD(mm_outcome_body, operation, 36);
FIELD(mm_outcome_body, http_status, 40);
FIELD(mm_outcome_body, detail, 44);

SIZE(mm_budget_body, 40);
FIELD(mm_budget_body, recv_ns, 0);
FIELD(mm_budget_body, orders_10s, 8);
FIELD(mm_budget_body, orders_10s_limit, 12);
FIELD(mm_budget_body, orders_day, 16);
FIELD(mm_budget_body, orders_day_limit, 20);
FIELD(mm_budget_body, weight_1m, 24);
FIELD(mm_budget_body, weight_1m_limit, 28);
FIELD(mm_budget_body, raw_5m, 32);
FIELD(mm_budget_body, raw_5m_limit, 36);

SIZE(mm_balance_body, 48);
FIELD(mm_balance_body, asset, 0);
FIELD(mm_balance_body, free_e8, 16);
FIELD(mm_balance_body, locked_e8, 24);
FIELD(mm_balance_body, time_us, 32);
FIELD(mm_balance_body, token, 40);

SIZE(mm_command_body, 48);
FIELD(mm_command_body, now_ns, 0);
FIELD(mm_command_body, command, 8);
FIELD(mm_command_body, value, 16);
FIELD(mm_command_body, value2, 24);
FIELD(mm_command_body, verdict, 32);
FIELD(mm_command_body, order_seq, 40);

SIZE(mm_action_body, 48);
FIELD(mm_action_body, order_seq, 0);
FIELD(mm_action_body, exchange_id, 8);
FIELD(mm_action_body, price_e8, 16);
FIELD(mm_action_body, qty_e8, 24);
FIELD(mm_action_body, decision_ns, 32);
FIELD(mm_action_body, cause_ns, 40);

SIZE(mm_record, 64);
FIELD(mm_record, seq, 0);
FIELD(mm_record, kind, 8);
FIELD(mm_record, flags, 10);
FIELD(mm_record, count, 12);
FIELD(mm_record, body, 16);

SIZE(mm_hist, 15128);
FIELD(mm_hist, count, 0);
FIELD(mm_hist, sum_ns, 8);
FIELD(mm_hist, max_ns, 16);
FIELD(mm_hist, buckets, 24);

SIZE(mm_ws_message, 24);
FIELD(mm_ws_message, payload, 0);
FIELD(mm_ws_message, payload_bytes, 8);
FIELD(mm_ws_message, opcode, 16);
FIELD(mm_ws_message, close_code, 20);

SIZE(mm_feed_config, 72);
FIELD(mm_feed_config, symbol, 0);
FIELD(mm_feed_config, order_prefix, 24);
FIELD(mm_feed_config, account_prefix, 48);

SIZE(mm_feed_info, 344);
FIELD(mm_feed_info, symbol, 0);
FIELD(mm_feed_info, stream, 24);
FIELD(mm_feed_info, request_id, 88);
FIELD(mm_feed_info, client_id, 128);
FIELD(mm_feed_info, error_code, 168);
FIELD(mm_feed_info, http_status, 172);
FIELD(mm_feed_info, retry_after_ms, 176);
FIELD(mm_feed_info, subscription_id, 184);
FIELD(mm_feed_info, used_weight, 192);
FIELD(mm_feed_info, operation, 200);
FIELD(mm_feed_info, shutdown, 204);
FIELD(mm_feed_info, terminated, 208);
FIELD(mm_feed_info, error_text, 212);

SIZE(mm_top, 32);
FIELD(mm_top, bid_price_e8, 0);
FIELD(mm_top, bid_qty_e8, 8);
FIELD(mm_top, ask_price_e8, 16);
FIELD(mm_top, ask_qty_e8, 24);

SIZE(mm_book_stats, 32);
FIELD(mm_book_stats, updates, 0);
FIELD(mm_book_stats, deletes, 8);
FIELD(mm_book_stats, deletes_absent, 16);
FIELD(mm_book_stats, evicted, 24);

SIZE(mm_sync_stats, 32);
FIELD(mm_sync_stats, dropped_before_snapshot, 0);
FIELD(mm_sync_stats, applied, 8);
FIELD(mm_sync_stats, gaps, 16);
FIELD(mm_sync_stats, snapshots, 24);

SIZE(mm_sync_row, 40);
FIELD(mm_sync_row, update_id, 0);
FIELD(mm_sync_row, top, 8);

SIZE(mm_sync_series, 32);
FIELD(mm_sync_series, book, 0);
FIELD(mm_sync_series, rows, 8);
FIELD(mm_sync_series, capacity, 16);
FIELD(mm_sync_series, count, 24);

SIZE(mm_arbiter_stats, 32);
FIELD(mm_arbiter_stats, dropped, 0);
FIELD(mm_arbiter_stats, held, 8);
FIELD(mm_arbiter_stats, gaps, 16);
FIELD(mm_arbiter_stats, restarts, 24);

SIZE(mm_signal, 56);
FIELD(mm_signal, alpha, 0);
FIELD(mm_signal, volatility, 8);
FIELD(mm_signal, imbalance, 16);
FIELD(mm_signal, trade_flow, 24);
FIELD(mm_signal, ofi, 32);
FIELD(mm_signal, microprice_e8, 40);
FIELD(mm_signal, ready, 48);

SIZE(mm_signal_config, 32);
FIELD(mm_signal_config, imbalance_levels, 0);
FIELD(mm_signal_config, volatility_halflife_s, 8);
FIELD(mm_signal_config, trade_flow_halflife_s, 16);
FIELD(mm_signal_config, warmup_s, 24);

SIZE(mm_signals, 176);
FIELD(mm_signals, config, 0);
FIELD(mm_signals, tau_volatility_s, 32);
FIELD(mm_signals, tau_flow_s, 40);
FIELD(mm_signals, reset_ns, 48);
FIELD(mm_signals, volatility_ns, 56);
FIELD(mm_signals, flow_ns, 64);
FIELD(mm_signals, ofi_ns, 72);
FIELD(mm_signals, twice_last_mid_e8, 80);
FIELD(mm_signals, variance, 88);
FIELD(mm_signals, buys, 96);
FIELD(mm_signals, sells, 104);
FIELD(mm_signals, ofi, 112);
FIELD(mm_signals, ofi_magnitude, 120);
FIELD(mm_signals, last_top, 128);
FIELD(mm_signals, has_mid, 160);
FIELD(mm_signals, has_top, 164);
FIELD(mm_signals, has_reset, 168);
FIELD(mm_signals, pad, 172);

SIZE(mm_symbol, 192);
FIELD(mm_symbol, name, 0);
FIELD(mm_symbol, base, 24);
FIELD(mm_symbol, quote, 40);
FIELD(mm_symbol, tick_e8, 56);
FIELD(mm_symbol, step_e8, 64);
FIELD(mm_symbol, price_min_e8, 72);
FIELD(mm_symbol, price_max_e8, 80);
FIELD(mm_symbol, qty_min_e8, 88);
FIELD(mm_symbol, qty_max_e8, 96);
FIELD(mm_symbol, notional_min_e8, 104);
FIELD(mm_symbol, notional_max_e8, 112);
FIELD(mm_symbol, bid_up_e8, 120);
FIELD(mm_symbol, bid_down_e8, 128);
FIELD(mm_symbol, ask_up_e8, 136);
FIELD(mm_symbol, ask_down_e8, 144);
FIELD(mm_symbol, orders_max, 152);
FIELD(mm_symbol, maker_fee_e8, 160);
FIELD(mm_symbol, taker_fee_e8, 168);
FIELD(mm_symbol, no_amend, 176);
FIELD(mm_symbol, no_replace, 184);

SIZE(mm_order, 208);
FIELD(mm_order, seq, 0);
FIELD(mm_order, handle, 8);
FIELD(mm_order, exchange_id, 16);
FIELD(mm_order, price_e8, 24);
FIELD(mm_order, qty_e8, 32);
FIELD(mm_order, placed_qty_e8, 40);
FIELD(mm_order, amend_qty_e8, 48);
FIELD(mm_order, executed_e8, 56);
FIELD(mm_order, reported_e8, 64);
FIELD(mm_order, created_ns, 72);
FIELD(mm_order, sent_ns, 80);
FIELD(mm_order, live_ns, 88);
FIELD(mm_order, cancel_ns, 96);
FIELD(mm_order, amend_ns, 104);
FIELD(mm_order, again_ns, 112);
FIELD(mm_order, unknown_ns, 120);
FIELD(mm_order, retry_ns, 128);
FIELD(mm_order, ended_ns, 136);
FIELD(mm_order, balance_mark, 144);
FIELD(mm_order, replaces_seq, 152);
FIELD(mm_order, replaced_by, 160);
FIELD(mm_order, side, 168);
FIELD(mm_order, layer, 172);
FIELD(mm_order, state, 176);
FIELD(mm_order, cancel_pending, 180);
FIELD(mm_order, attempts, 184);
FIELD(mm_order, cancel_refused, 188);
FIELD(mm_order, query_missing, 192);
FIELD(mm_order, trades_checked, 196);
FIELD(mm_order, amends, 200);

SIZE(mm_order_change, 48);
FIELD(mm_order_change, order, 0);
FIELD(mm_order_change, from, 8);
FIELD(mm_order_change, to, 12);
FIELD(mm_order_change, first_live, 16);
FIELD(mm_order_change, ended, 20);
FIELD(mm_order_change, fill, 24);
FIELD(mm_order_change, overfill, 28);
FIELD(mm_order_change, zombie, 32);
FIELD(mm_order_change, reject_class, 36);
FIELD(mm_order_change, not_attempted, 40);

SIZE(mm_order_config, 40);
FIELD(mm_order_config, reply_timeout_ns, 0);
FIELD(mm_order_config, recv_window_ns, 8);
FIELD(mm_order_config, unknown_first_ns, 16);
FIELD(mm_order_config, unknown_settle_ns, 24);
FIELD(mm_order_config, tombstone_ns, 32);

SIZE(mm_balance, 64);
FIELD(mm_balance, asset, 0);
FIELD(mm_balance, free_e8, 16);
FIELD(mm_balance, locked_e8, 24);
FIELD(mm_balance, start_e8, 32);
FIELD(mm_balance, ledger_e8, 40);
FIELD(mm_balance, fees_e8, 48);
FIELD(mm_balance, mark, 56);

SIZE(mm_pnl, 32);
FIELD(mm_pnl, realized_e8, 0);
FIELD(mm_pnl, unrealized_e8, 8);
FIELD(mm_pnl, fees_e8, 16);
FIELD(mm_pnl, total_e8, 24);

SIZE(mm_budget_config, 40);
FIELD(mm_budget_config, orders_10s_limit, 0);
FIELD(mm_budget_config, orders_day_limit, 8);
FIELD(mm_budget_config, weight_1m_limit, 16);
FIELD(mm_budget_config, raw_5m_limit, 24);
FIELD(mm_budget_config, orders_pct, 32);

SIZE(mm_risk_config, 216);
FIELD(mm_risk_config, order_qty_max_e8, 0);
FIELD(mm_risk_config, order_notional_max_e8, 8);
FIELD(mm_risk_config, collar_order_bps, 16);
FIELD(mm_risk_config, collar_period_bps, 24);
FIELD(mm_risk_config, cross_guard_ticks, 32);
FIELD(mm_risk_config, position_max_e8, 40);
FIELD(mm_risk_config, position_notional_max_e8, 48);
FIELD(mm_risk_config, reducing_pct, 56);
FIELD(mm_risk_config, open_notional_max_e8, 64);
FIELD(mm_risk_config, open_orders_max, 72);
FIELD(mm_risk_config, in_flight_max, 80);
FIELD(mm_risk_config, unknown_max, 88);
FIELD(mm_risk_config, orders_per_1s_max, 96);
FIELD(mm_risk_config, rejects_per_min_max, 104);
FIELD(mm_risk_config, duplicate_window_ns, 112);
FIELD(mm_risk_config, stale_book_ns, 120);
FIELD(mm_risk_config, ticker_ahead_ns, 128);
FIELD(mm_risk_config, quiet_max_ns, 136);
FIELD(mm_risk_config, stale_decision_ns, 144);
FIELD(mm_risk_config, book_levels_min, 152);
FIELD(mm_risk_config, malformed_per_min_max, 160);
FIELD(mm_risk_config, loss_session_max_e8, 168);
FIELD(mm_risk_config, loss_day_max_e8, 176);
FIELD(mm_risk_config, drawdown_halt_pct, 184);
FIELD(mm_risk_config, drawdown_kill_pct, 192);
FIELD(mm_risk_config, loss_speed_max_e8, 200);
FIELD(mm_risk_config, loss_speed_pause_ns, 208);

SIZE(mm_risk_view, 80);
FIELD(mm_risk_view, symbol, 0);
FIELD(mm_risk_view, orders, 8);
FIELD(mm_risk_view, ledger, 16);
FIELD(mm_risk_view, top, 24);
FIELD(mm_risk_view, position_e8, 56);
FIELD(mm_risk_view, now_ns, 64);
FIELD(mm_risk_view, replaces, 72);

SIZE(mm_quote_input, 200);
FIELD(mm_quote_input, book, 0);
FIELD(mm_quote_input, symbol, 8);
FIELD(mm_quote_input, top, 16);
FIELD(mm_quote_input, signal, 48);
FIELD(mm_quote_input, position_e8, 104);
FIELD(mm_quote_input, now_ns, 112);
FIELD(mm_quote_input, tick, 120);
FIELD(mm_quote_input, lot, 160);

SIZE(mm_quotes, 280);
FIELD(mm_quotes, bid_count, 0);
FIELD(mm_quotes, ask_count, 4);
FIELD(mm_quotes, bids, 8);
FIELD(mm_quotes, asks, 136);
FIELD(mm_quotes, bid_verdict, 264);
FIELD(mm_quotes, ask_verdict, 272);

SIZE(mm_quote_stance, 40);
FIELD(mm_quote_stance, position_e8, 0);
FIELD(mm_quote_stance, step_e8, 8);
FIELD(mm_quote_stance, lean, 16);
FIELD(mm_quote_stance, bid_qty_e8, 24);
FIELD(mm_quote_stance, ask_qty_e8, 32);

SIZE(mm_quote_config, 208);
FIELD(mm_quote_config, order_qty_e8, 0);
FIELD(mm_quote_config, max_position_e8, 8);
FIELD(mm_quote_config, layers, 16);
FIELD(mm_quote_config, layer_step_bps, 24);
FIELD(mm_quote_config, min_spread_bps, 32);
FIELD(mm_quote_config, max_spread_bps, 40);
FIELD(mm_quote_config, vol_mult, 48);
FIELD(mm_quote_config, skew, 56);
FIELD(mm_quote_config, alpha_weight, 64);
FIELD(mm_quote_config, imbalance_weight, 72);
FIELD(mm_quote_config, allow_negative_edge, 80);
FIELD(mm_quote_config, risk_factor, 88);
FIELD(mm_quote_config, kappa, 96);
FIELD(mm_quote_config, horizon_s, 104);
FIELD(mm_quote_config, order_amount_shape_factor, 112);
FIELD(mm_quote_config, min_spread_pct, 120);
FIELD(mm_quote_config, as_spread_const, 128);
FIELD(mm_quote_config, as_shape, 136);

SIZE(mm_strategy, 24);
FIELD(mm_strategy, name, 0);
FIELD(mm_strategy, state, 8);
FIELD(mm_strategy, compute, 16);

SIZE(mm_plan, 168);
FIELD(mm_plan, keep, 0);
FIELD(mm_plan, shrink, 64);
FIELD(mm_plan, place, 128);
FIELD(mm_plan, cancel_count, 160);
FIELD(mm_plan, place_count, 164);

SIZE(mm_engine_config, 888);
FIELD(mm_engine_config, symbol, 0);
FIELD(mm_engine_config, signal, 192);
FIELD(mm_engine_config, budget, 224);
FIELD(mm_engine_config, risk, 264);
FIELD(mm_engine_config, quote, 480);
FIELD(mm_engine_config, order, 688);
FIELD(mm_engine_config, strategy, 728);
FIELD(mm_engine_config, refresh_tolerance_bps, 736);
FIELD(mm_engine_config, inventory_target_e8, 744);
FIELD(mm_engine_config, book_levels, 752);
FIELD(mm_engine_config, sync_records, 760);
FIELD(mm_engine_config, snapshot_levels, 768);
FIELD(mm_engine_config, orders_max, 776);
FIELD(mm_engine_config, tombstones, 784);
FIELD(mm_engine_config, trade_ids, 792);
FIELD(mm_engine_config, crossed_max_ns, 800);
FIELD(mm_engine_config, warm_ns, 808);
FIELD(mm_engine_config, stop_confirm_ns, 816);
FIELD(mm_engine_config, audit_ns, 824);
FIELD(mm_engine_config, reconcile_open_ns, 832);
FIELD(mm_engine_config, reconcile_trades_ns, 840);
FIELD(mm_engine_config, reconcile_account_ns, 848);
FIELD(mm_engine_config, fee_asset, 856);
FIELD(mm_engine_config, accept_reset, 872);
FIELD(mm_engine_config, utc_offset_ns, 880);

SIZE(mm_engine_status, 1280);
FIELD(mm_engine_status, now_ns, 0);
FIELD(mm_engine_status, synced_ns, 8);
FIELD(mm_engine_status, state, 16);
FIELD(mm_engine_status, sync_state, 20);
FIELD(mm_engine_status, verdict, 24);
FIELD(mm_engine_status, bid_verdict, 32);
FIELD(mm_engine_status, ask_verdict, 40);
FIELD(mm_engine_status, events, 48);
FIELD(mm_engine_status, book_updates, 56);
FIELD(mm_engine_status, gaps, 64);
FIELD(mm_engine_status, resyncs, 72);
FIELD(mm_engine_status, book_audits, 80);
FIELD(mm_engine_status, book_audit_failures, 88);
FIELD(mm_engine_status, malformed, 96);
FIELD(mm_engine_status, quotes, 104);
FIELD(mm_engine_status, orders_sent, 112);
FIELD(mm_engine_status, orders_acked, 120);
FIELD(mm_engine_status, orders_rejected, 128);
FIELD(mm_engine_status, orders_refused, 136);
FIELD(mm_engine_status, orders_canceled, 144);
FIELD(mm_engine_status, would_match, 152);
FIELD(mm_engine_status, fills, 160);
FIELD(mm_engine_status, actions, 168);
FIELD(mm_engine_status, foreign_orders, 176);
FIELD(mm_engine_status, reconciles, 184);
FIELD(mm_engine_status, unpriced_fees, 192);
FIELD(mm_engine_status, reconcile_repairs, 200);
FIELD(mm_engine_status, moves_wanted, 208);
FIELD(mm_engine_status, moves_made, 216);
FIELD(mm_engine_status, moves_merged, 224);
FIELD(mm_engine_status, moves_withheld, 232);
FIELD(mm_engine_status, replaces, 240);
FIELD(mm_engine_status, amends, 248);
FIELD(mm_engine_status, dust_e8, 256);
FIELD(mm_engine_status, open_orders, 264);
FIELD(mm_engine_status, unknown_orders, 272);
FIELD(mm_engine_status, position_e8, 280);
FIELD(mm_engine_status, inventory_e8, 288);
FIELD(mm_engine_status, base_e8, 296);
FIELD(mm_engine_status, quote_e8, 304);
FIELD(mm_engine_status, pnl, 312);
FIELD(mm_engine_status, mid_e8, 344);
FIELD(mm_engine_status, top, 352);
FIELD(mm_engine_status, signal, 384);
FIELD(mm_engine_status, wanted, 440);
FIELD(mm_engine_status, quoted_bid_ns, 720);
FIELD(mm_engine_status, quoted_ask_ns, 728);
FIELD(mm_engine_status, synced_time_ns, 736);
FIELD(mm_engine_status, reason_ns, 744);
FIELD(mm_engine_status, book_count, 1256);
FIELD(mm_engine_status, last_update_id, 1272);

SIZE(mm_gate_config, 272);
FIELD(mm_gate_config, symbol, 0);
FIELD(mm_gate_config, order_prefix, 24);
FIELD(mm_gate_config, stp_mode, 48);
FIELD(mm_gate_config, api_key, 72);
FIELD(mm_gate_config, wire, 200);
FIELD(mm_gate_config, signature, 204);
FIELD(mm_gate_config, price_decimals, 208);
FIELD(mm_gate_config, qty_decimals, 212);
FIELD(mm_gate_config, place_window_ms, 216);
FIELD(mm_gate_config, other_window_ms, 224);
FIELD(mm_gate_config, stale_decision_ns, 232);
FIELD(mm_gate_config, orders_per_1s_max, 240);
FIELD(mm_gate_config, orders_per_10s_max, 248);
FIELD(mm_gate_config, orders_per_day_max, 256);
FIELD(mm_gate_config, mask_seed, 264);
FIELD(mm_gate_config, pad, 268);

SIZE(mm_log_header, 1032);
FIELD(mm_log_header, magic, 0);
FIELD(mm_log_header, abi, 8);
FIELD(mm_log_header, config_bytes, 12);
FIELD(mm_log_header, build, 16);
FIELD(mm_log_header, config, 144);

SIZE(mm_loop_config, 56);
FIELD(mm_loop_config, market_records, 0);
FIELD(mm_loop_config, exec_records, 8);
FIELD(mm_loop_config, rest_records, 16);
FIELD(mm_loop_config, action_records, 24);
FIELD(mm_loop_config, log_records, 32);
FIELD(mm_loop_config, wait_policy, 40);
FIELD(mm_loop_config, batch_events, 48);

#endif

/* A unit of translation has to declare something. */
MM_STATIC_ASSERT(sizeof(int64_t) == 8, a_byte_is_an_octet);
