// FFmpeg's libraries, and what Swift cannot see of them: constants that are casts or calls of macros, the variable
// arguments of the log, and fields whose place or type differs between versions 5.1 and 8.

#pragma once

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libavutil/channel_layout.h>
#include <libavutil/display.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswresample/swresample.h>
#include <libswscale/swscale.h>
#include <pthread.h>

static const int cffmpeg_end_of_file = AVERROR_EOF;
static const int cffmpeg_try_again = AVERROR(EAGAIN);
static const int cffmpeg_out_of_memory = AVERROR(ENOMEM);

/// Tells threads apart.
static inline uintptr_t cffmpeg_thread(void) { return (uintptr_t)pthread_self(); }

typedef void (*cffmpeg_log_receiver)(int level, const char *line);

static inline cffmpeg_log_receiver *cffmpeg_receiver(void) {
    static cffmpeg_log_receiver receiver;
    return &receiver;
}

static void cffmpeg_log(void *context, int level, const char *format, va_list arguments) {
    char line[512];
    int print_prefix = 0;
    if (level > AV_LOG_ERROR) return;
    av_log_format_line2(context, level, format, arguments, line, sizeof line, &print_prefix);
    (*cffmpeg_receiver())(level, line);
}

/// From now on errors that any library of FFmpeg logs go to the receiver, and nothing to standard error.
static inline void cffmpeg_set_log_receiver(cffmpeg_log_receiver receiver) {
    *cffmpeg_receiver() = receiver;
    av_log_set_callback(cffmpeg_log);
}

/// The 3 × 3 matrix by which a stream's pictures are to be turned, or null.
static inline const int32_t *cffmpeg_display_matrix(const AVStream *stream) {
#if LIBAVCODEC_VERSION_MAJOR >= 61
    const AVPacketSideData *data = av_packet_side_data_get(
        stream->codecpar->coded_side_data, stream->codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
    return data && data->size >= 9 * sizeof(int32_t) ? (const int32_t *)data->data : NULL;
#else
    size_t size = 0;
    const uint8_t *data = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
    return data && size >= 9 * sizeof(int32_t) ? (const int32_t *)data : NULL;
#endif
}
